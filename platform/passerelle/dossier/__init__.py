"""The shared record (DMP): its life cycle, its documents, who may see them, and how documents come in."""
