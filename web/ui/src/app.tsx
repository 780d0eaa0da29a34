/** The page's layout: what stands where. */

import { ChannelTabs } from "./channels/channel_tabs";
import { SaveChannel } from "./channels/save_channel";
import { TierInfo } from "./channels/tier_info";
import { ContractPanel } from "./contract/contract_panel";
import { FilterBar } from "./filter/filter_bar";
import { Pictures } from "./flow/pictures";
import { Help } from "./keys/help";
import { Fault } from "./status/fault";
import { SignIn } from "./status/sign_in";
import { StatusBar } from "./status/status_bar";
import { TradeTable } from "./table/trade_table";

export function App() {
  return (
    <>
      <StatusBar>
        <TierInfo />
      </StatusBar>
      <Fault part="The list of channels">
        <ChannelTabs />
      </Fault>
      <Fault part="The filter bar">
        <FilterBar>
          <SaveChannel />
        </FilterBar>
      </Fault>
      <main class="flow">
        <Fault part="The band of pictures">
          <Pictures />
        </Fault>
        <div class="tape">
          <Fault part="The table">
            <TradeTable />
          </Fault>
          <Fault part="The contract">
            <ContractPanel />
          </Fault>
        </div>
      </main>
      <Help />
      <SignIn />
    </>
  );
}
