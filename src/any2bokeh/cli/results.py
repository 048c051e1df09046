"""Results on stdout: a line each, or one JSON document."""

import json
import os
import sys


def print_result(line: object) -> None:
    """Write a line of result; a reader that has gone away is no reason to stop working."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would fail again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(document: object) -> None:
    """Write the one JSON document of a command; paths become strings."""
    print_result(json.dumps(document, indent=2, default=str))
