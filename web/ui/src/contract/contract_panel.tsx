export function ContractPanel() {
  return null;
}
