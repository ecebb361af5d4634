"""Networks whose weights were trained elsewhere: their features are compared, and nobody trains them here.

Weights are read from a file that the user names; none are fetched. A model registers such a network by `add_frozen`.
"""
