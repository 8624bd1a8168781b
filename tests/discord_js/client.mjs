// A bot on discord.js: registers commands, and answers with files, buttons, select menus and modals.
// Usage: node client.mjs API TOKEN. Writes "ready" when it is connected.

import {
  ActionRowBuilder,
  AttachmentBuilder,
  ButtonBuilder,
  ButtonStyle,
  Client,
  EmbedBuilder,
  Events,
  GatewayIntentBits,
  LabelBuilder,
  MessageFlags,
  ModalBuilder,
  SlashCommandBuilder,
  StringSelectMenuBuilder,
  TextInputBuilder,
  TextInputStyle,
  UserSelectMenuBuilder,
} from "discord.js";

const [api, token] = process.argv.slice(2);
const client = new Client({ intents: [GatewayIntentBits.Guilds], rest: { api } });

const commands = [
  new SlashCommandBuilder()
    .setName("draw")
    .setDescription("Answer with a file, buttons and menus")
    .addStringOption((option) =>
      option.setName("prompt").setDescription("What to draw").setRequired(true).setMaxLength(100),
    )
    .addAttachmentOption((option) => option.setName("sketch").setDescription("A picture")),
];

function components() {
  const style = new StringSelectMenuBuilder()
    .setCustomId("style")
    .addOptions({ label: "Oil", value: "oil" }, { label: "Ink", value: "ink" });
  return [
    new ActionRowBuilder().addComponents(
      new ButtonBuilder().setCustomId("again").setLabel("Again").setStyle(ButtonStyle.Primary),
      new ButtonBuilder().setCustomId("edit").setLabel("Edit").setStyle(ButtonStyle.Secondary),
    ),
    new ActionRowBuilder().addComponents(style),
    new ActionRowBuilder().addComponents(new UserSelectMenuBuilder().setCustomId("who")),
  ];
}

async function draw(interaction) {
  await interaction.deferReply();
  const prompt = interaction.options.getString("prompt");
  const sketch = interaction.options.getAttachment("sketch");
  await interaction.editReply({
    content: sketch ? `from ${sketch.name}` : "",
    embeds: [new EmbedBuilder().setTitle(prompt).setImage("attachment://picture.txt")],
    files: [new AttachmentBuilder(Buffer.from(prompt), { name: "picture.txt" })],
    components: components(),
  });
}

async function edit(interaction) {
  const text = new TextInputBuilder().setCustomId("prompt").setStyle(TextInputStyle.Short);
  const label = new LabelBuilder().setLabel("Prompt").setTextInputComponent(text);
  await interaction.showModal(
    new ModalBuilder().setCustomId("form").setTitle("Edit").addLabelComponents(label),
  );
}

client.on(Events.InteractionCreate, async (interaction) => {
  if (interaction.isChatInputCommand()) {
    await draw(interaction);
  } else if (interaction.isUserSelectMenu()) {
    const names = interaction.users.map((user) => user.username).join(", ");
    await interaction.reply({ content: `chose ${names}`, flags: MessageFlags.Ephemeral });
  } else if (interaction.isStringSelectMenu()) {
    await interaction.update({ content: `in ${interaction.values[0]}` });
  } else if (interaction.isModalSubmit()) {
    await interaction.reply(`edited to ${interaction.fields.getTextInputValue("prompt")}`);
  } else if (interaction.customId === "edit") {
    await edit(interaction);
  } else if (interaction.isButton()) {
    await interaction.deferUpdate();
    await interaction.followUp({ content: "again", flags: MessageFlags.Ephemeral });
    await interaction.message.edit({ content: "once more" });
  }
});

client.once(Events.ClientReady, async () => {
  await client.application.commands.set(commands);
  console.log("ready");
});
client.on(Events.Error, (error) => console.error(error));
await client.login(token);
