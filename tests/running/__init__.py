"""The running ground: environment, embedded servers, supervisor."""
