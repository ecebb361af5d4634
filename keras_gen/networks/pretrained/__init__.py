"""Pretrained feature extractors, which are used but not trained.

Their weights are read from a file that the user provides; nothing is downloaded. A model registers such a network with
`add_frozen`.
"""
