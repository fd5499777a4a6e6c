"""The stages of the pipeline, one module each, and the rooms that they share."""

from stages.runtime.help import answer_help

answer_help()
