"""What the system knows of a person, as it is shown and brought in: the panel, its plot, files of histories."""
