"""The page on which people compare two versions, side by side or mixed in one slate."""
