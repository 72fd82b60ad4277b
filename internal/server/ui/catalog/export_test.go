package catalog

// BrowserPattern is browserPattern for tests, which live outside: they need a server with all pages.
func BrowserPattern(pattern string) string { return browserPattern(pattern) }

// WithoutSecrets is withoutSecrets for tests.
func WithoutSecrets(text string) string { return withoutSecrets(text) }
