"""The chat: prompt_toolkit owns the bottom of the screen, finished text goes to the terminal's own scrollback once.

Importing this package loads neither rich nor prompt_toolkit.
"""
