"""Model files, read as data: nothing of a model runs. `reader` reads any of the formats, `differences` compares two."""
