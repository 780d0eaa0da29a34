export function ChannelTabs() {
  return null;
}
