//go:build !unix

package tokens

// syncDir does nothing: folders cannot be synced here, and renames are journalled by the file system.
func syncDir(string) error { return nil }
