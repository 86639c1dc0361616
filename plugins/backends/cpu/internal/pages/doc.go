// Package pages gives the cpu backend its large blocks of memory: straight from the operating system where that is Linux, so that
// the collector neither scans, doubles nor clears them, on huge pages where there are some, and used again once freed.
//
// It imports nothing of the project. Start reading at Allocator.
package pages
