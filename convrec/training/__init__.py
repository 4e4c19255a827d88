"""Learning from what people said and did: versions of models, judged before they serve."""
