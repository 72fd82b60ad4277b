package page

import "strings"

// stateClass is which of a few looks a state has, whatever it is a state of.
func stateClass(state string) string {
	switch strings.ToLower(state) {
	case "succeeded", "idle", "released", "ready", "approved", "applied":
		return "good"
	case "failed", "lost", "gone", "quarantined", "silent", "rejected", "revoked":
		return "bad"
	case "running", "busy", "claimed", "begun", "in_progress":
		return "now"
	case "canceled", "skipped", "returned", "aborted", "expired", "none":
		return "over"
	default:
		return "waits"
	}
}
