package bucket

// syncFolder has nothing to do: Windows keeps names with their files, and opens no folder for syncing.
func syncFolder(string) error { return nil }
