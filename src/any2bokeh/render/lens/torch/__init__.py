"""The lens in plain torch, for CUDA and as the reference of the compiled one."""
