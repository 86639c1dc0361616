//go:build !amd64

package vec

func runnable() []path { return []path{{"portable", nil}} }
