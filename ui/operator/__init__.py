"""The page on which operators watch what happens, train, promote and roll back."""
