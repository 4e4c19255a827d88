"""What the operator brings: catalogue, interactions, and where demo data and models come from."""
