"""One file a group of verbs: they parse and print, and decide nothing."""
