"""Reading and writing files of articles."""
