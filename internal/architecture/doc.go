// Package architecture holds one thing: the test that the house is built as docs/ARCHITECTURE.md draws it. It parses
// every file of the module, for every platform, and compares what is imported with the tables in rooms_test.go and
// rules_test.go. There is no code here that anything could import.
package architecture
