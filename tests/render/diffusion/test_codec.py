"""The codec without weights of its own training: exact, and as configured."""

import pytest
import torch

from any2bokeh.errors import ShapeError, WeightsError
from any2bokeh.render.diffusion.codec import PixelCodec, PixelCodecDims, make_codec
from any2bokeh.render.diffusion.vae import BokehVAE, VAEDims


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_fresh_codec_gives_back_every_pixel(factor: int) -> None:
    codec = PixelCodec(PixelCodecDims(factor=factor))
    pictures = torch.rand(3, 3, 16, 24) * 2 - 1
    encoded = codec.encode(pictures)
    assert encoded.mean.shape == (3, 3 * factor**2, 16 // factor, 24 // factor)
    assert torch.equal(codec.decode(codec.unscaled(codec.scaled(encoded.mean)), encoded.skips), pictures)


def test_a_trained_decoder_sees_the_sharp_picture() -> None:
    codec = PixelCodec(PixelCodecDims())
    torch.nn.init.normal_(codec.decoder.conv_out.weight)
    latents = codec.encode(torch.rand(1, 3, 8, 8)).mean
    decoded = [codec.decode(latents, (torch.full((1, 3, 8, 8), value),)) for value in (0.0, 1.0)]
    assert not torch.equal(*decoded)


def test_pictures_that_do_not_fold_are_an_error() -> None:
    with pytest.raises(ShapeError, match="multiples of 4"):
        PixelCodec(PixelCodecDims(factor=4)).encode(torch.rand(1, 3, 10, 8))


def test_a_checkpoint_says_which_codec_it_has() -> None:
    dims = PixelCodecDims(factor=4, hidden=8)
    codec = make_codec(dims.to_config())
    assert isinstance(codec, PixelCodec) and codec.dims == dims
    small = VAEDims(channels=(32, 32, 32, 32), layers_per_block=1)
    vae = make_codec(small.to_config())
    assert isinstance(vae, BokehVAE) and vae.dims == small
    with pytest.raises(WeightsError, match="'hidden'"):
        make_codec({"_class_name": "PixelCodec", "factor": 2})
