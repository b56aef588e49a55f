"""One question, one answer: may this actor do this, here, today, and by which rule. [contract; body follows]"""
