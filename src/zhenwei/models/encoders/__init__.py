"""Token embeddings and pretrained encoders."""
