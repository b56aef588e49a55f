"""The rules: who may see and do what, as dated data. `decision` is the only module that knows casbin."""
