"""The toolkit: builds LyftLearn images and proves that scripts run the same on both platforms."""

__version__ = "0.1.0"
