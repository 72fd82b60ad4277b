# A module that needs no provider: terraform_data is built in. Try it with
#
#   remuda run --local examples/block
#   remuda run --local --dir data examples/block --input name=horses

variable "name" {
  type = string
}

variable "times" {
  type = number
}

resource "terraform_data" "greeting" {
  count = var.times
  input = "Hello, ${var.name}"
}

output "greeting" {
  value = join("; ", terraform_data.greeting[*].output)
}

output "greetings" {
  value = length(terraform_data.greeting)
}
