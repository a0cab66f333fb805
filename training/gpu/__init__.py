"""Training on a GPU: needs CUDA and Triton."""
