package store

// OlderVersion lets tests compare versions.
var OlderVersion = olderVersion
