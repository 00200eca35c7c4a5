"""The detector models there are: their manifest, the weights that ship, and how to read their outputs."""
