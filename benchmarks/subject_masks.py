"""Overlap of masks grown from a click with the subject's own: benchmarks/subject_masks.py CLIP MASK ...

The click is well inside the mask, in the first frame and in the middle one. Prints the intersection over
union: averaged over all frames, in the frame of the click and in the worst one; and CPU-seconds per frame.
``--subject-network`` says which way is measured.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from any2bokeh.session import ClipSession
from any2bokeh.settings.focus_settings import Point, SubjectSettings
from any2bokeh.settings.mask_settings import MaskSettings
from any2bokeh.settings.values import TimePoint
from any2bokeh.subject.grown_masks import write_masks
from any2bokeh.video.gray import open_gray

SHARES = (0.0, 0.5)  # of the clip, where it is clicked


def main() -> None:
    """Print a line for each click, and the mean of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="CLIP MASK")
    parser.add_argument("--subject-network", default="auto", choices=("auto", "bundled", "sam2", "edgetam"))
    asked = parser.parse_args()
    overlaps = []
    for clip, mask in zip(asked.files[::2], asked.files[1::2], strict=True):
        wanted = np.stack([values[0].numpy() > 0.5 for _, values in open_gray(mask, "mask").frames()])
        for share in SHARES:
            number = int(share * (len(wanted) - 1))
            subject = SubjectSettings(
                points=(deepest(wanted[number], number),), subject_network=asked.subject_network
            )
            found, seconds = grown(clip, MaskSettings(subject=subject))
            each = [overlap(one, other) for one, other in zip(found, wanted, strict=True)]
            overlaps.append(np.mean(each))
            print(
                f"{clip.stem:20} frame {number:3}: IoU {overlaps[-1]:.3f}, at the click {each[number]:.3f},"
                f" worst {min(each):.3f}, {seconds / len(wanted):.3f} CPU-s per frame"
            )
    print(f"first frame: mean {np.mean(overlaps[:: len(SHARES)]):.3f}")
    print(f"all clicks: mean {np.mean(overlaps):.3f}, from {min(overlaps):.3f} to {max(overlaps):.3f}")


def deepest(inside: np.ndarray, number: int) -> Point:
    """Return the point farthest from the mask's outline and from the picture's."""
    depth = cv2.distanceTransform(np.pad(inside.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    height, width = inside.shape
    return Point((column + 0.5) / width, (row + 0.5) / height, TimePoint(frame=number))


def grown(clip: Path, settings: MaskSettings) -> tuple[np.ndarray, float]:
    """Return the masks ``T H W`` that grow in a clip, and the CPU-seconds that this took."""
    with TemporaryDirectory() as folder, ClipSession(clip, settings.clip) as session:
        target, started = Path(folder) / "mask.mkv", time.process_time()
        write_masks(target, session.plan_growth(settings.subject))
        seconds = time.process_time() - started
        return np.stack([values[0].numpy() > 0.5 for _, values in open_gray(target).frames()]), seconds


def overlap(found: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two masks of any size; 1 where both are empty."""
    size = other.shape[::-1]
    one = cv2.resize(found.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 1.0


if __name__ == "__main__":
    main()
