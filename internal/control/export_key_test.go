package control

// WithChecksum makes a token of a text.
func WithChecksum(text string) string { return withChecksum(text) }
