"""Hand-written peers for the tests, standard library only: each is a program of its own."""
