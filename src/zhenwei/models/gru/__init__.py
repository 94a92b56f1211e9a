"""A bidirectional GRU for padded batches, with kernels for CPUs and NVIDIA GPUs."""
