"""From a trained network to the file that ships."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from any2bokeh.depth.compact import CompactDims, CompactNetwork


def fold(network: CompactNetwork, dims: CompactDims) -> CompactNetwork:
    """Return the network with what its normalisations learnt made part of its weights."""
    state: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            convolution, norm = module[0], module[1]
            assert isinstance(convolution, nn.Conv2d) and norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            state[f"{name}.0.weight"] = convolution.weight * scale[:, None, None, None]
            state[f"{name}.0.bias"] = norm.bias - norm.running_mean * scale
    result = CompactNetwork(dims, folded=True)
    own = network.state_dict()
    state |= {key: own[key] for key in result.state_dict() if key not in state}
    result.load_state_dict({key: value.detach().contiguous() for key, value in state.items()})
    return result.eval()


def write_weights(network: CompactNetwork, dims: CompactDims, path: Path) -> None:
    """Write the folded weights in half precision, as ``any2bokeh.depth.compact`` loads them."""
    state = fold(network, dims).state_dict()
    save_file({key: value.to(torch.float16) for key, value in state.items()}, path)
