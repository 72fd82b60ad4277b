package toolshed

const executableSuffix = ".exe"
