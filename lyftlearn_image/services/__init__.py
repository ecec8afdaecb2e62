"""The platforms' own services: jobs sent to them, watched and collected."""
