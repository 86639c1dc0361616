//go:build !linux

package shm

import "os"

func createFile(int64) (*os.File, error)          { return nil, ErrUnavailable }
func openFile(uint32, int64) (*os.File, error)    { return nil, ErrUnavailable }
func mapFile(*os.File, int) ([]byte, error)       { return nil, ErrUnavailable }
func unmapFile([]byte) error                      { return ErrUnavailable }
func reserve(_ *os.File, offset, n int64) error   { return ErrUnavailable }
func free(_ *os.File, offset, length int64) error { return ErrUnavailable }
