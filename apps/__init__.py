"""Runnable modules, one per job: `python -m apps.train_pix2pix --help`."""
