"""Parts of `zhenwei compare`: candidates, runs, scores and significance tests."""
