"""Files -> Config: `load.load` reads them, `schema` holds what they say. Nothing here ever writes a file."""
