"""Parts of `zhenwei tune`: the search space, the study and its trials."""
