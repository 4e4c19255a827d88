"""What a conversation looks like: turns, cards, reasons, suggestions, the list of conversations. HTML only."""
