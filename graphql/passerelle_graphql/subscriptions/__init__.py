"""Answers that go on: the two public protocols by which a subscription is followed."""
