.PHONY: check constraints format test
check:
	uv run ruff format --check .
	uv run ruff check .
	uv run mypy
	uv run lint-imports
	uv run pytest -q

format:
	uv run ruff format .
	uv run ruff check --fix .

test:
	uv run pytest

constraints:
	uv run python -m tests.constraints
