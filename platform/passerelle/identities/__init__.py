"""Who people are: patients by INS, professionals by RPPS, establishments by FINESS, and what a token proves."""
