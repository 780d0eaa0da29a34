/** The page's layout: what stands where. */

import { ChannelTabs } from "./channels/channel_tabs";
import { ContractPanel } from "./contract/contract_panel";
import { FilterBar } from "./filter/filter_bar";
import { Pictures } from "./flow/pictures";
import { Help } from "./keys/help";
import { StatusBar } from "./status/status_bar";
import { TradeTable } from "./table/trade_table";

export function App() {
  return (
    <>
      <StatusBar />
      <ChannelTabs />
      <FilterBar />
      <main class="flow">
        <Pictures />
        <TradeTable />
        <ContractPanel />
      </main>
      <Help />
    </>
  );
}
