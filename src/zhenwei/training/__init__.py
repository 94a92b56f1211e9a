"""Training: the trainer, its loop, optimization, early stopping, checkpoints and run logs."""
